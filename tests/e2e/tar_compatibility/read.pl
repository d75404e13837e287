# Tells of every entry of an archive: type, mode, size, path, content or target.
use strict;
use warnings;
use Archive::Tar;
use Digest::SHA qw(sha256_hex);

my $tar = Archive::Tar->new($ARGV[0], 1) or die Archive::Tar->error;
for my $entry ($tar->get_files) {
    my $path = $entry->full_path;
    $path =~ s{/$}{};
    next if $path eq '' || $path eq '.';
    my $name = unpack 'H*', $path;
    my $mode = sprintf '%o', $entry->mode & 07777;
    if ($entry->is_file) {
        print "f $mode ", $entry->size, " $name ", sha256_hex($entry->get_content), "\n";
    } elsif ($entry->is_dir) {
        print "d $mode - $name -\n";
    } elsif ($entry->is_fifo) {
        print "p $mode - $name -\n";
    } else {
        my $kind = $entry->is_symlink ? 'l' : 'h';
        print "$kind - - $name ", unpack('H*', $entry->linkname), "\n";
    }
}
